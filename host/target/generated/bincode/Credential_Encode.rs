impl :: bincode :: Encode for Credential
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.versions, encoder) ?; :: bincode
        :: Encode :: encode(&self.current, encoder) ?; core :: result ::
        Result :: Ok(())
    }
}