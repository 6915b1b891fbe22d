impl :: bincode :: Encode for Override
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.layer, encoder) ?; :: bincode ::
        Encode :: encode(&self.bindings, encoder) ?; core :: result :: Result
        :: Ok(())
    }
}