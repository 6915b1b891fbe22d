impl < __Context > :: bincode :: Decode < __Context > for Body
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        core :: result :: Result ::
        Ok(Self
        {
            base : :: bincode :: Decode :: decode(decoder) ?, environments :
            :: bincode :: Decode :: decode(decoder) ?, environment_layers : ::
            bincode :: Decode :: decode(decoder) ?, deployments : :: bincode
            :: Decode :: decode(decoder) ?, services : :: bincode :: Decode ::
            decode(decoder) ?, policies : :: bincode :: Decode ::
            decode(decoder) ?, components : :: bincode :: Decode ::
            decode(decoder) ?, attachments : :: bincode :: Decode ::
            decode(decoder) ?, keys : :: bincode :: Decode :: decode(decoder)
            ?, data_keys : :: bincode :: Decode :: decode(decoder) ?,
        })
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for Body
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
            environment_layers : :: bincode :: BorrowDecode ::< '_, __Context
            >:: borrow_decode(decoder) ?, deployments : :: bincode ::
            BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            services : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, policies : :: bincode :: BorrowDecode
            ::< '_, __Context >:: borrow_decode(decoder) ?, components : ::
            bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?, attachments : :: bincode :: BorrowDecode
            ::< '_, __Context >:: borrow_decode(decoder) ?, keys : :: bincode
            :: BorrowDecode ::< '_, __Context >:: borrow_decode(decoder) ?,
            data_keys : :: bincode :: BorrowDecode ::< '_, __Context >::
            borrow_decode(decoder) ?,
        })
    }
}