impl :: bincode :: Encode for More
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.base, encoder) ?; :: bincode ::
        Encode :: encode(&self.environments, encoder) ?; :: bincode :: Encode
        :: encode(&self.deployments, encoder) ?; :: bincode :: Encode ::
        encode(&self.tools, encoder) ?; core :: result :: Result :: Ok(())
    }
}