impl :: bincode :: Encode for Policy
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.digest, encoder) ?; :: bincode ::
        Encode :: encode(&self.fallback, encoder) ?; core :: result :: Result
        :: Ok(())
    }
}