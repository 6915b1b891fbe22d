impl :: bincode :: Encode for ToolUse
{
    fn encode < __E : :: bincode :: enc :: Encoder >
    (& self, encoder : & mut __E) ->core :: result :: Result < (), :: bincode
    :: error :: EncodeError >
    {
        :: bincode :: Encode :: encode(&self.settings, encoder) ?; :: bincode
        :: Encode :: encode(&self.credentials, encoder) ?; core :: result ::
        Result :: Ok(())
    }
}