impl :: bincode :: Encode for Tool
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.description, encoder) ?; ::
        bincode :: Encode :: encode(&self.profiles, encoder) ?; core :: result
        :: Result :: Ok(())
    }
}