impl :: bincode :: Encode for Variable
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.description, encoder) ?; ::
        bincode :: Encode :: encode(&self.secret, encoder) ?; :: bincode ::
        Encode :: encode(&self.inject, encoder) ?; :: bincode :: Encode ::
        encode(&self.content, encoder) ?; core :: result :: Result :: Ok(())
    }
}