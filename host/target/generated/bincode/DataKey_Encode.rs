impl :: bincode :: Encode for DataKey
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.environment, encoder) ?; ::
        bincode :: Encode :: encode(&self.root_key, encoder) ?; :: bincode ::
        Encode :: encode(&self.epoch, encoder) ?; :: bincode :: Encode ::
        encode(&self.bytes, encoder) ?; core :: result :: Result :: Ok(())
    }
}