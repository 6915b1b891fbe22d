impl :: bincode :: Encode for Body
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.base, encoder) ?; :: bincode ::
        Encode :: encode(&self.environments, encoder) ?; :: bincode :: Encode
        :: encode(&self.environment_layers, encoder) ?; :: bincode :: Encode
        :: encode(&self.deployments, encoder) ?; :: bincode :: Encode ::
        encode(&self.services, encoder) ?; :: bincode :: Encode ::
        encode(&self.policies, encoder) ?; :: bincode :: Encode ::
        encode(&self.components, encoder) ?; :: bincode :: Encode ::
        encode(&self.attachments, encoder) ?; :: bincode :: Encode ::
        encode(&self.keys, encoder) ?; :: bincode :: Encode ::
        encode(&self.data_keys, encoder) ?; core :: result :: Result :: Ok(())
    }
}