impl :: bincode :: Encode for Attachment
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.policy, encoder) ?; :: bincode ::
        Encode :: encode(&self.place, encoder) ?; :: bincode :: Encode ::
        encode(&self.settings, encoder) ?; core :: result :: Result :: Ok(())
    }
}