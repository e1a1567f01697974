package srcinfo

// form is the encoding of an attribute's value (DWARF 5, section 7.5.6, and
// the GNU extensions).
type form uint16

const (
	formAddr          form = 0x01
	formBlock2        form = 0x03
	formBlock4        form = 0x04
	formData2         form = 0x05
	formData4         form = 0x06
	formData8         form = 0x07
	formString        form = 0x08
	formBlock         form = 0x09
	formBlock1        form = 0x0a
	formData1         form = 0x0b
	formFlag          form = 0x0c
	formSdata         form = 0x0d
	formStrp          form = 0x0e
	formUdata         form = 0x0f
	formRefAddr       form = 0x10
	formRef1          form = 0x11
	formRef2          form = 0x12
	formRef4          form = 0x13
	formRef8          form = 0x14
	formRefUdata      form = 0x15
	formIndirect      form = 0x16
	formSecOffset     form = 0x17
	formExprloc       form = 0x18
	formFlagPresent   form = 0x19
	formStrx          form = 0x1a
	formAddrx         form = 0x1b
	formRefSup4       form = 0x1c
	formStrpSup       form = 0x1d
	formData16        form = 0x1e
	formLineStrp      form = 0x1f
	formRefSig8       form = 0x20
	formImplicitConst form = 0x21
	formLoclistx      form = 0x22
	formRnglistx      form = 0x23
	formRefSup8       form = 0x24
	formStrx1         form = 0x25
	formStrx2         form = 0x26
	formStrx3         form = 0x27
	formStrx4         form = 0x28
	formAddrx1        form = 0x29
	formAddrx2        form = 0x2a
	formAddrx3        form = 0x2b
	formAddrx4        form = 0x2c
	formGNUAddrIndex  form = 0x1f01
	formGNUStrIndex   form = 0x1f02
	formGNURefAlt     form = 0x1f20
	formGNUStrpAlt    form = 0x1f21
)

// encoding is what the size of some values depends on.
type encoding struct {
	version  uint16
	dwarf64  bool
	addrSize uint8
}

// kind says what the number in a value means.
type kind uint8

const (
	kindNone     kind = iota // a block, or something in another file
	kindConstant             // a number, or an offset in a section
	kindAddress
	kindAddressIndex // in .debug_addr, from the unit's base
	kindUnitRef      // an entry, from the start of the unit
	kindInfoRef      // an entry, from the start of .debug_info
	kindInline       // a string in .debug_info itself
	kindString       // a string in .debug_str
	kindLineString   // a string in .debug_line_str
	kindLineSection  // a string in .debug_line itself
	kindStringIndex  // in .debug_str_offsets, from the unit's base
	kindListIndex    // in the unit's table of range lists
)

// value is an attribute's value before what it refers to is looked up. The lookup may need
// later attributes of the entry first, such as the bases of indices.
type value struct {
	kind kind
	n    uint64
}

// value reads one value. An unknown form fails the cursor, because the size of the value is
// then unknown too.
func (c *cursor) value(f form, implicit int64, enc encoding) value {
	if f == formIndirect {
		// A second level, or a constant that is not there, is malformed.
		if f = form(min(c.uleb(), 0xffff)); f == formIndirect || f == formImplicitConst {
			c.fail()
			return value{}
		}
	}
	switch f {
	case formImplicitConst:
		return value{kindConstant, uint64(implicit)}
	case formFlagPresent:
		return value{kindConstant, 1}
	case formData1, formFlag:
		return value{kindConstant, uint64(c.u8())}
	case formData2:
		return value{kindConstant, uint64(c.u16())}
	case formData4:
		return value{kindConstant, uint64(c.u32())}
	case formData8:
		return value{kindConstant, c.u64()}
	case formSdata:
		return value{kindConstant, uint64(c.sleb())}
	case formUdata:
		return value{kindConstant, c.uleb()}
	case formSecOffset:
		return value{kindConstant, c.offset(enc.dwarf64)}
	case formRnglistx:
		return value{kindListIndex, c.uleb()}
	}
	if v, ok := c.reference(f, enc); ok {
		return v
	}
	if v, ok := c.text(f, enc); ok {
		return v
	}
	c.unused(f, enc)
	return value{}
}

// reference reads addresses and references to entries.
func (c *cursor) reference(f form, enc encoding) (value, bool) {
	switch f {
	case formAddr:
		return value{kindAddress, c.sized(enc.addrSize)}, true
	case formAddrx, formGNUAddrIndex:
		return value{kindAddressIndex, c.uleb()}, true
	case formAddrx1:
		return value{kindAddressIndex, uint64(c.u8())}, true
	case formAddrx2:
		return value{kindAddressIndex, uint64(c.u16())}, true
	case formAddrx3:
		return value{kindAddressIndex, uint64(c.u24())}, true
	case formAddrx4:
		return value{kindAddressIndex, uint64(c.u32())}, true
	case formRef1:
		return value{kindUnitRef, uint64(c.u8())}, true
	case formRef2:
		return value{kindUnitRef, uint64(c.u16())}, true
	case formRef4:
		return value{kindUnitRef, uint64(c.u32())}, true
	case formRef8:
		return value{kindUnitRef, c.u64()}, true
	case formRefUdata:
		return value{kindUnitRef, c.uleb()}, true
	case formRefAddr:
		if enc.version < 3 {
			return value{kindInfoRef, c.sized(enc.addrSize)}, true
		}
		return value{kindInfoRef, c.offset(enc.dwarf64)}, true
	}
	return value{}, false
}

// text reads strings.
func (c *cursor) text(f form, enc encoding) (value, bool) {
	switch f {
	case formString:
		at := c.pos()
		c.cstring()
		return value{kindInline, at}, true
	case formStrp:
		return value{kindString, c.offset(enc.dwarf64)}, true
	case formLineStrp:
		return value{kindLineString, c.offset(enc.dwarf64)}, true
	case formStrx, formGNUStrIndex:
		return value{kindStringIndex, c.uleb()}, true
	case formStrx1:
		return value{kindStringIndex, uint64(c.u8())}, true
	case formStrx2:
		return value{kindStringIndex, uint64(c.u16())}, true
	case formStrx3:
		return value{kindStringIndex, uint64(c.u24())}, true
	case formStrx4:
		return value{kindStringIndex, uint64(c.u32())}, true
	}
	return value{}, false
}

// unused skips values that this package does not use.
func (c *cursor) unused(f form, enc encoding) {
	switch f {
	case formBlock1:
		c.skip(uint64(c.u8()))
	case formBlock2:
		c.skip(uint64(c.u16()))
	case formBlock4:
		c.skip(uint64(c.u32()))
	case formBlock, formExprloc:
		c.skip(c.uleb())
	case formData16:
		c.skip(16)
	case formRefSup4:
		c.skip(4)
	case formRefSig8, formRefSup8:
		c.skip(8)
	case formStrpSup, formGNURefAlt, formGNUStrpAlt:
		c.offset(enc.dwarf64)
	case formLoclistx:
		c.uleb()
	default:
		c.fail()
	}
}
