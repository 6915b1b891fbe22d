impl < __Context > :: bincode :: Decode < __Context > for More
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            base : :: bincode :: Decode :: decode(decoder) ?, environments :
            :: bincode :: Decode :: decode(decoder) ?, deployments : ::
            bincode :: Decode :: decode(decoder) ?, tools : :: bincode ::
            Decode :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for More
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            base : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, environments : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            deployments : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, tools : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}