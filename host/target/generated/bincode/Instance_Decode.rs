impl < __Context > :: bincode :: Decode < __Context > for Instance
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            endpoints : :: bincode :: Decode :: decode(decoder) ?, user : ::
            bincode :: Decode :: decode(decoder) ?, credential : :: bincode ::
            Decode :: decode(decoder) ?, current : :: bincode :: Decode ::
            decode(decoder) ?, shared_with : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Instance
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            endpoints : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, user : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, credential : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, current : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, shared_with : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}