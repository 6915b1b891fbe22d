impl :: bincode :: Encode for Endpoint
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.role, encoder) ?; :: bincode ::
        Encode :: encode(&self.region, encoder) ?; :: bincode :: Encode ::
        encode(&self.zone, encoder) ?; :: bincode :: Encode ::
        encode(&self.host, encoder) ?; :: bincode :: Encode ::
        encode(&self.port, encoder) ?; :: bincode :: Encode ::
        encode(&self.database, encoder) ?; :: bincode :: Encode ::
        encode(&self.tls, encoder) ?; :: bincode :: Encode ::
        encode(&self.options, encoder) ?; :: bincode :: Encode ::
        encode(&self.labels, encoder) ?; core :: result :: Result :: Ok(())
    }
}