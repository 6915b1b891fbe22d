impl :: bincode :: Encode for Binding
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.service, encoder) ?; :: bincode
        :: Encode :: encode(&self.owner, encoder) ?; :: bincode :: Encode ::
        encode(&self.description, encoder) ?; core :: result :: Result ::
        Ok(())
    }
}