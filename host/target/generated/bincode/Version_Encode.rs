impl :: bincode :: Encode for Version
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.number, encoder) ?; :: bincode ::
        Encode :: encode(&self.value, encoder) ?; core :: result :: Result ::
        Ok(())
    }
}