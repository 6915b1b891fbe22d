impl < __Context > :: bincode :: Decode < __Context > for Variable
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            description : :: bincode :: Decode :: decode(decoder) ?, secret :
            :: bincode :: Decode :: decode(decoder) ?, inject : :: bincode ::
            Decode :: decode(decoder) ?, content : :: bincode :: Decode ::
            decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Variable
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            description : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, secret : :: bincode :: BorrowDecode ::<
            '_, __Context >:: borrow_decode(decoder) ?, inject : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            content : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}