/** Everything that shows an entry or its attributes ([MS-ADTS] §5.1.3.2): list contents, read properties, list object, read control. */
const SEEING = 0x4 | 0x10 | 0x80 | 0x20000;
const READ_PROPERTY = 0x10;
const WRITE_PROPERTY = 0x20;
const CONTAINER_INHERIT = 0x2;
const INHERIT_ONLY = 0x8;
const ACCESS_DENIED = 0x1;
const ACCESS_ALLOWED_OBJECT = 0x5;
const ACCESS_DENIED_OBJECT = 0x6;
const DACL_OFFSET_AT = 16;

/**
 * A security descriptor ([MS-DTYP] §2.4.6, self-relative) with one more entry at the head of its list: the account of that SID must
 * not see the entry nor list what is right beneath it, or only not see one attribute, given by its schemaIDGUID, or not write it.
 */
export function withDenial(
  descriptor: Buffer,
  { sid, attribute, right = 'see' }: { sid: Buffer; attribute: string | null; right?: 'see' | 'write' },
): Buffer {
  const seeing = attribute === null ? SEEING : READ_PROPERTY;
  return withEntry(descriptor, accessDenied({ sid, attribute, mask: right === 'see' ? seeing : WRITE_PROPERTY }));
}

/**
 * The same with an entry of SDDL's form `(OA;CIIO;RPWP;attribute;class;sid)`: beneath the object, the account of that SID may read
 * and write an attribute of objects of a class, both given by their schemaIDGUIDs.
 */
export function withDelegation(
  descriptor: Buffer,
  { sid, attribute, objectClass }: { sid: Buffer; attribute: string; objectClass: string },
): Buffer {
  const mask = uint32(READ_PROPERTY | WRITE_PROPERTY);
  const object = Buffer.concat([uint32(1 | 2), guid(attribute), guid(objectClass)]);
  const head = Buffer.from([ACCESS_ALLOWED_OBJECT, CONTAINER_INHERIT | INHERIT_ONLY, 0, 0]);
  const entry = Buffer.concat([head, mask, object, sid]);
  entry.writeUInt16LE(entry.length, 2);
  return withEntry(descriptor, entry);
}

function withEntry(descriptor: Buffer, entry: Buffer): Buffer {
  const at = descriptor.readUInt32LE(DACL_OFFSET_AT);
  const size = descriptor.readUInt16LE(at + 2);
  const list = descriptor.subarray(at, at + size);
  const longer = Buffer.concat([list.subarray(0, 8), entry, list.subarray(8)]);
  longer.writeUInt16LE(longer.length, 2);
  longer.writeUInt16LE(list.readUInt16LE(4) + 1, 4);
  // Where it stood, the shorter list is left as a gap, which a self-relative descriptor may have.
  const whole = Buffer.concat([descriptor, longer]);
  whole.writeUInt32LE(descriptor.length, DACL_OFFSET_AT);
  return whole;
}

function accessDenied({ sid, attribute, mask }: { sid: Buffer; attribute: string | null; mask: number }): Buffer {
  const object = attribute === null ? Buffer.alloc(0) : Buffer.concat([uint32(1), guid(attribute)]);
  const head = Buffer.from([attribute === null ? ACCESS_DENIED : ACCESS_DENIED_OBJECT, 0, 0, 0]);
  const entry = Buffer.concat([head, uint32(mask), object, sid]);
  entry.writeUInt16LE(entry.length, 2);
  return entry;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function guid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  return Buffer.concat([
    bytes.subarray(0, 4).toReversed(),
    bytes.subarray(4, 6).toReversed(),
    bytes.subarray(6, 8).toReversed(),
    bytes.subarray(8),
  ]);
}
