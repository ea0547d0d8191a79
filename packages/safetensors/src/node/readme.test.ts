import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { toFloat32 } from "../index.ts";
import { readWeights, writeSafetensors } from "./index.ts";

it("the README's example runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kd-safetensors-"));
  await writeSafetensors(join(folder, "model.safetensors"), [
    ["w", { dtype: "BF16", shape: [2], data: Float32Array.of(1, 2) }],
  ]);
  for (const [name, tensor] of await readWeights(folder))
    expect([name, tensor.shape, toFloat32(tensor)]).toEqual(["w", [2], Float32Array.of(1, 2)]);
  await rm(folder, { recursive: true });
});
