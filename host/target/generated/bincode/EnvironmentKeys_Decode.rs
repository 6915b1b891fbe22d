impl < __Context > :: bincode :: Decode < __Context > for EnvironmentKeys
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            public : :: bincode :: Decode :: decode(decoder) ?, root_key : ::
            bincode :: Decode :: decode(decoder) ?, wrapped_private : ::
            bincode :: Decode :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for EnvironmentKeys
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            public : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, root_key : :: bincode :: BorrowDecode
            ::< '_, __Context >:: borrow_decode(decoder) ?, wrapped_private :
            :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}