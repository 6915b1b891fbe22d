impl < __Context > :: bincode :: Decode < __Context > for Deployment
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            uid : :: bincode :: Decode :: decode(decoder) ?, base : :: bincode
            :: Decode :: decode(decoder) ?, environments : :: bincode ::
            Decode :: decode(decoder) ?, releases : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Deployment
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            uid : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, base : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, environments : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, releases : :: bincode :: BorrowDecode
            ::< '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}