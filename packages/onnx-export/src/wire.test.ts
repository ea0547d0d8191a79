import { expect, it } from "vitest";
import { floatField, intField, message, sizeOf, textField, varint } from "./wire.ts";

// protobuf.dev/programming-guides/encoding: 150, "testing", a message with 150; int64 -1 takes ten bytes
it.each([
  [0, [0]],
  [127, [127]],
  [150, [0x96, 1]],
  [2 ** 40, [128, 128, 128, 128, 128, 0x20]],
  [-1, [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
])("a varint of %d", (value, bytes) => {
  expect([...varint(value)]).toEqual(bytes);
});

const bytesOf = (pieces: ReturnType<typeof message>) => Buffer.concat(pieces as Uint8Array[]).toString("hex");

it("fields as protobuf's guide shows them", () => {
  expect(bytesOf(intField(1, 150))).toBe("089601");
  expect(bytesOf(textField(2, "testing"))).toBe("120774657374696e67");
  expect(bytesOf(message(3, intField(1, 150)))).toBe("1a03089601");
  expect(bytesOf(floatField(2, 1))).toBe("150000803f");
});

it("a message is as long as what it will hold, before that is read", () => {
  const lazy = { byteLength: 3_000_000_000, read: () => expect.fail("read too early") };
  const pieces = message(9, [lazy]);
  expect(sizeOf(pieces)).toBe(3_000_000_000 + 1 + 5);
  expect(pieces.at(-1)).toBe(lazy);
});
