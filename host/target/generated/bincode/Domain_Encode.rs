impl :: bincode :: Encode for Domain
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.apex, encoder) ?; :: bincode ::
        Encode :: encode(&self.host, encoder) ?; :: bincode :: Encode ::
        encode(&self.url, encoder) ?; core :: result :: Result :: Ok(())
    }
}