impl < __Context > :: bincode :: Decode < __Context > for Environment
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            uid : :: bincode :: Decode :: decode(decoder) ?, kind : :: bincode
            :: Decode :: decode(decoder) ?, protected : :: bincode :: Decode
            :: decode(decoder) ?, deprecated : :: bincode :: Decode ::
            decode(decoder) ?, expires : :: bincode :: Decode ::
            decode(decoder) ?, promotes_to : :: bincode :: Decode ::
            decode(decoder) ?, labels : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Environment
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            uid : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, kind : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, protected : :: bincode
            :: BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            deprecated : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, expires : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, promotes_to : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, labels : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}