import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { tinyFolder } from "../test/tiny-folder.ts";
import { type ExportOnnx, exportOnnx } from "./node/index.ts";

it("the README's example runs", async () => {
  const home = mkdtempSync(join(tmpdir(), "kd-onnx-"));
  try {
    const source = tinyFolder("llava_full", join(home, "llava"));
    const given = (folder: string, out: string, options: ExportOnnx) =>
      exportOnnx(folder.replace("path/to/llava-folder", source), out.replace("path/to", home), options);
    const printed = await runReadme(join(import.meta.dirname, ".."), { "@kd/onnx-export/node": { exportOnnx: given } });
    expect(printed.slice(0, 2)).toEqual(["onnx/embed_tokens_fp16.onnx", expect.any(Number)]);
    expect(printed).toContain("tokenizer.json");
  } finally {
    rmSync(home, { recursive: true });
  }
});
