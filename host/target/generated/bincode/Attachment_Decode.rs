impl < __Context > :: bincode :: Decode < __Context > for Attachment
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            policy : :: bincode :: Decode :: decode(decoder) ?, place : ::
            bincode :: Decode :: decode(decoder) ?, settings : :: bincode ::
            Decode :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Attachment
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            policy : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, place : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, settings : :: bincode
            :: BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
        })
    }
}