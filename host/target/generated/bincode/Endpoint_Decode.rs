impl < __Context > :: bincode :: Decode < __Context > for Endpoint
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            role : :: bincode :: Decode :: decode(decoder) ?, region : ::
            bincode :: Decode :: decode(decoder) ?, zone : :: bincode ::
            Decode :: decode(decoder) ?, host : :: bincode :: Decode ::
            decode(decoder) ?, port : :: bincode :: Decode :: decode(decoder)
            ?, database : :: bincode :: Decode :: decode(decoder) ?, tls : ::
            bincode :: Decode :: decode(decoder) ?, options : :: bincode ::
            Decode :: decode(decoder) ?, labels : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Endpoint
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            role : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, region : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, zone : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?, host
            : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, port : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, database : :: bincode
            :: BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            tls : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, options : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, labels : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}