impl :: bincode :: Encode for Release
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.digest, encoder) ?; :: bincode ::
        Encode :: encode(&self.created_at, encoder) ?; :: bincode :: Encode ::
        encode(&self.labels, encoder) ?; :: bincode :: Encode ::
        encode(&self.keys, encoder) ?; core :: result :: Result :: Ok(())
    }
}