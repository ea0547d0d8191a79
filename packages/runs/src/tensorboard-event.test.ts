import { expect, it } from "vitest";
import { crc32c } from "./crc32c.ts";
import { tensorboardEvent, tensorboardHeader } from "./tensorboard-event.ts";

// Written by tensorboard 2.21.0's RecordWriter and protobuf classes: a file version, then two scalars at step 300.
const GOLDEN =
  "1800000000000000a37f4b2209000010480dc2da411a0d627261696e2e4576656e743a32c79cf90f300000000000000095f5d05f09000060480dc2da4110ac022a220a110a0a747261696e2f6c6f737315000008400a0d0a066f70742f6c7215a69b443bb2035b32";

it("writes the bytes that TensorBoard's own writer writes", () => {
  const row = {
    _step: 300,
    _timestamp: 1795700001.5,
    stage: "dpt",
    stage_step: 300,
    "train/loss": 2.125,
    "opt/lr": 0.003,
  };
  const bytes = Buffer.concat([tensorboardHeader(1795700000.25), tensorboardEvent(row)]);
  expect(bytes.toString("hex")).toBe(GOLDEN);
});

it("has the checksum of RFC 3720", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});
