impl :: bincode :: Encode for Layer
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.variables, encoder) ?; :: bincode
        :: Encode :: encode(&self.required, encoder) ?; core :: result ::
        Result :: Ok(())
    }
}