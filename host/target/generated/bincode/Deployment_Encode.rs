impl :: bincode :: Encode for Deployment
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.uid, encoder) ?; :: bincode ::
        Encode :: encode(&self.base, encoder) ?; :: bincode :: Encode ::
        encode(&self.environments, encoder) ?; :: bincode :: Encode ::
        encode(&self.releases, encoder) ?; core :: result :: Result :: Ok(())
    }
}