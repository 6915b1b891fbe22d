impl :: bincode :: Encode for Environment
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.uid, encoder) ?; :: bincode ::
        Encode :: encode(&self.kind, encoder) ?; :: bincode :: Encode ::
        encode(&self.protected, encoder) ?; :: bincode :: Encode ::
        encode(&self.deprecated, encoder) ?; :: bincode :: Encode ::
        encode(&self.expires, encoder) ?; :: bincode :: Encode ::
        encode(&self.promotes_to, encoder) ?; :: bincode :: Encode ::
        encode(&self.labels, encoder) ?; core :: result :: Result :: Ok(())
    }
}