#!/usr/bin/env node
// The pictures of docs/losses.md, from numbers: what directions of KL do, and what a finished run's models relate.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KdError } from "@kd/contract";
import { useBackend } from "@kd/tensor-core";
import sharp from "sharp";
import { picturesIn } from "./data/gallery.ts";
import { PIXELS } from "./data/rasterise.ts";
import { gramMatrices } from "./draw/gram-matrices.ts";
import { klDirections } from "./draw/kl-directions.ts";
import { openMaterials } from "./recipe/materials.ts";
import { trainedModel } from "./recipe/save-student.ts";
import { CONTROL, chainOf, FULL_BUDGET, STUDENT } from "./recipe/schemes.ts";
import { main } from "./train/main.ts";
import { parseOptions, UsageError } from "./train/options.ts";

const USAGE = `npm run pictures -- NAME

  NAME   a finished run, runs/NAME of npm run recipe`;

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CONCEPT = "1F981"; // a lion's face

await main(async () => {
  const [name, ...more] = parseOptions(USAGE, { strings: [], flags: [], positionals: true }).positionals;
  if (name === undefined || more.length > 0) throw new UsageError(USAGE);
  const run = join(ROOT, "runs", name);
  if (!existsSync(join(run, "summary.json")))
    throw new KdError("KD_CONFIG", `${run}: expected a finished run; npm run recipe -- --name ${name}`);
  await useBackend({ engine: "wasm" });
  const materials = await openMaterials({ everyNth: 1 });
  const trained = (scheme: typeof STUDENT) =>
    trainedModel({ chain: chainOf(scheme, FULL_BUDGET), text: materials.text, folder: run, seed: 1 });
  const models = {
    teacher: materials.teacher,
    "student, DPT-SFT-DFT": await trained(STUDENT),
    "control, PT-SFT-SFT": await trained(CONTROL),
  };

  const tested = picturesIn(materials.gallery, "test_vendor").filter(({ id }) => materials.cache.has(`${id}#0`));
  const shown = tested.find(({ concept }) => concept.hex === CONCEPT) ?? tested[0];
  if (shown === undefined) throw new KdError("KD_DATA", "pictures: expected pictures of the test vendor, got none");
  const png = await sharp(shown.rgba, { raw: { width: PIXELS, height: PIXELS, channels: 4 } })
    .png()
    .toBuffer();
  const folder = join(ROOT, "docs/pictures");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "kl-directions.svg"), klDirections());
  await writeFile(
    join(folder, "gram-matrices.svg"),
    await gramMatrices({
      models,
      image: shown.id,
      picture: `data:image/png;base64,${png.toString("base64")}`,
      others: tested.slice(0, 256).map(({ id }) => id),
      materials,
    }),
  );
  process.stdout.write(`docs/pictures: kl-directions.svg, gram-matrices.svg (${shown.id})\n`);
});
