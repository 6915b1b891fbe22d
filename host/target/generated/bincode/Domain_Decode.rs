impl < __Context > :: bincode :: Decode < __Context > for Domain
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            apex : :: bincode :: Decode :: decode(decoder) ?, host : ::
            bincode :: Decode :: decode(decoder) ?, url : :: bincode :: Decode
            :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Domain
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            apex : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, host : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, url : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}