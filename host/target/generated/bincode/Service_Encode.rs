impl :: bincode :: Encode for Service
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.kind, encoder) ?; :: bincode ::
        Encode :: encode(&self.instances, encoder) ?; core :: result :: Result
        :: Ok(())
    }
}