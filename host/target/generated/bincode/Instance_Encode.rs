impl :: bincode :: Encode for Instance
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.endpoints, encoder) ?; :: bincode
        :: Encode :: encode(&self.user, encoder) ?; :: bincode :: Encode ::
        encode(&self.credential, encoder) ?; :: bincode :: Encode ::
        encode(&self.current, encoder) ?; :: bincode :: Encode ::
        encode(&self.shared_with, encoder) ?; core :: result :: Result ::
        Ok(())
    }
}