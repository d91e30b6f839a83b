// The files of a zip, enough to look at what the farm sends: entries that are stored as they are.

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const STORED = 0;

/** Name and bytes of each file; throws where the directory at the end does not fit. */
export function zipEntries(zip) {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END) end -= 1;
  if (end < 0) throw new Error("this is no whole zip");
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const entries = [];
  for (let number = 0; number < count; number += 1) {
    if (zip.readUInt32LE(at) !== ENTRY) throw new Error(`entry ${number} of the zip is broken`);
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    if (zip.readUInt16LE(at + 10) !== STORED) throw new Error(`${name} is packed`);
    const size = zip.readUInt32LE(at + 24);
    const local = zip.readUInt32LE(at + 42);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    entries.push({ name, bytes: zip.subarray(from, from + size) });
    at += 46 + nameLength + extra + comment;
  }
  return entries;
}
