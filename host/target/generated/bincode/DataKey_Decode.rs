impl < __Context > :: bincode :: Decode < __Context > for DataKey
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            environment : :: bincode :: Decode :: decode(decoder) ?, root_key
            : :: bincode :: Decode :: decode(decoder) ?, epoch : :: bincode ::
            Decode :: decode(decoder) ?, bytes : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for DataKey
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            environment : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, root_key : :: bincode :: BorrowDecode
            ::< '_, __Context >:: borrow_decode(decoder) ?, epoch : :: bincode
            :: BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            bytes : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}