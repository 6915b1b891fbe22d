impl :: bincode :: Encode for EnvironmentKeys
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.public, encoder) ?; :: bincode ::
        Encode :: encode(&self.root_key, encoder) ?; :: bincode :: Encode ::
        encode(&self.wrapped_private, encoder) ?; core :: result :: Result ::
        Ok(())
    }
}