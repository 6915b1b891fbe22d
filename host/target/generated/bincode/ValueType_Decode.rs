impl < __Context > :: bincode :: Decode < __Context > for ValueType
{
    fn decode < __D : :: bincode :: de :: Decoder < Context = __Context > >
    (decoder : & mut __D) ->core :: result :: Result < Self, :: bincode ::
    error :: DecodeError >
    {
        let variant_index = < u32 as :: bincode :: Decode ::< __D :: Context
        >>:: decode(decoder) ?; match variant_index
        {
            0u32 =>core :: result :: Result ::
            Ok(Self ::Url
            {
                schemes : :: bincode :: Decode ::< __D :: Context >::
                decode(decoder) ?,
            }), 1u32 =>core :: result :: Result :: Ok(Self ::Port {}), 2u32
            =>core :: result :: Result ::
            Ok(Self ::Integer
            {
                min : :: bincode :: Decode ::< __D :: Context >::
                decode(decoder) ?, max : :: bincode :: Decode ::< __D ::
                Context >:: decode(decoder) ?,
            }), 3u32 =>core :: result :: Result :: Ok(Self ::Boolean {}), 4u32
            =>core :: result :: Result ::
            Ok(Self ::Pattern
            {
                0 : :: bincode :: Decode ::< __D :: Context >::
                decode(decoder) ?,
            }), variant =>core :: result :: Result ::
            Err(:: bincode :: error :: DecodeError :: UnexpectedVariant
            {
                found : variant, type_name : "ValueType", allowed : &::
                bincode :: error :: AllowedEnumVariants :: Range
                { min: 0, max: 4 }
            })
        }
    }
} impl < '__de, __Context > :: bincode :: BorrowDecode < '__de, __Context >
for ValueType
{
    fn borrow_decode < __D : :: bincode :: de :: BorrowDecoder < '__de,
    Context = __Context > > (decoder : & mut __D) ->core :: result :: Result <
    Self, :: bincode :: error :: DecodeError >
    {
        let variant_index = < u32 as :: bincode :: Decode ::< __D :: Context
        >>:: decode(decoder) ?; match variant_index
        {
            0u32 =>core :: result :: Result ::
            Ok(Self ::Url
            {
                schemes : :: bincode :: BorrowDecode ::< __D :: Context >::
                borrow_decode(decoder) ?,
            }), 1u32 =>core :: result :: Result :: Ok(Self ::Port {}), 2u32
            =>core :: result :: Result ::
            Ok(Self ::Integer
            {
                min : :: bincode :: BorrowDecode ::< __D :: Context >::
                borrow_decode(decoder) ?, max : :: bincode :: BorrowDecode ::<
                __D :: Context >:: borrow_decode(decoder) ?,
            }), 3u32 =>core :: result :: Result :: Ok(Self ::Boolean {}), 4u32
            =>core :: result :: Result ::
            Ok(Self ::Pattern
            {
                0 : :: bincode :: BorrowDecode ::< __D :: Context >::
                borrow_decode(decoder) ?,
            }), variant =>core :: result :: Result ::
            Err(:: bincode :: error :: DecodeError :: UnexpectedVariant
            {
                found : variant, type_name : "ValueType", allowed : &::
                bincode :: error :: AllowedEnumVariants :: Range
                { min: 0, max: 4 }
            })
        }
    }
}