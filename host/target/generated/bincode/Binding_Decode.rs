impl < __Context > :: bincode :: Decode < __Context > for Binding
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            service : :: bincode :: Decode :: decode(decoder) ?, owner : ::
            bincode :: Decode :: decode(decoder) ?, description : :: bincode
            :: Decode :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Binding
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            service : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, owner : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, description : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}