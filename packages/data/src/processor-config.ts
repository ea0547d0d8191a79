import { KdError } from "@kd/contract";
import { z } from "zod";
import type { ResizeFilter } from "./resize.ts";
import { siglipProcessorConfig } from "./siglip.ts";

const side = z.int().positive().max(16384);
const sizeSchema = z.union([
  side,
  z.strictObject({ height: side, width: side }),
  z.strictObject({ shortest_edge: side }),
]);
const channels = z.union([z.number(), z.array(z.number()).length(3)]);
const given = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);

const configSchema = z.looseObject({
  image_processor_type: given(z.string()),
  feature_extractor_type: given(z.string()),
  do_resize: given(z.boolean()),
  size: given(sizeSchema),
  resample: given(z.int()),
  do_center_crop: given(z.boolean()),
  crop_size: given(sizeSchema),
  do_rescale: given(z.boolean()),
  rescale_factor: given(z.number()),
  do_normalize: given(z.boolean()),
  image_mean: given(channels),
  image_std: given(channels),
  do_pad: given(z.boolean()),
  image_aspect_ratio: given(z.string()),
  image_grid_pinpoints: given(z.array(z.tuple([side, side])).min(1)),
});

/** How LLaVA fits a picture into a square: distorted (or what the processor does by itself), on a square of the mean colour, or in tiles. */
export type AspectRatio = "square" | "pad" | "anyres";

/** All that decides an image's pixels, with nothing left open. */
export interface ProcessorSettings {
  readonly aspectRatio: AspectRatio;
  /** Resize to this, or the shorter edge to `shortestEdge`; undefined leaves the picture as it is. */
  readonly resize?: { readonly height: number; readonly width: number } | { readonly shortestEdge: number } | undefined;
  readonly filter: ResizeFilter;
  readonly crop?: { readonly height: number; readonly width: number } | undefined;
  readonly rescaleFactor: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Colour of the square for `pad`: the mean, cut to whole levels. */
  readonly background?: readonly number[] | undefined;
  /** `[height, width]` of the grids that `anyres` may choose from. */
  readonly gridPinpoints?: readonly (readonly [height: number, width: number])[] | undefined;
}

/** Pillow's numbers of its filters. */
const RESAMPLE: readonly ResizeFilter[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];
const clip = {
  size: { shortest_edge: 224 },
  crop_size: 224,
  do_center_crop: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};
/** LLaVA-1.6's grids, in tiles. */
const GRIDS = [
  [1, 2],
  [2, 1],
  [2, 2],
  [3, 1],
  [1, 3],
] as const;

/** What Transformers' classes take where a file says nothing. */
const DEFAULTS: Readonly<Record<string, Partial<z.input<typeof configSchema>>>> = {
  SiglipImageProcessor: siglipProcessorConfig(224),
  CLIPImageProcessor: clip,
  CLIPFeatureExtractor: clip,
  LlavaImageProcessor: clip,
  LlavaNextImageProcessor: clip,
};

function squareOf(size: z.output<typeof sizeSchema>): { height: number; width: number } {
  if (typeof size === "number") return { height: size, width: size };
  return "height" in size ? size : { height: size.shortest_edge, width: size.shortest_edge };
}

/** Parses `preprocessor_config.json`; `file` names it in errors. Throws `KD_CONFIG`. */
export function parseProcessorConfig(
  json: unknown,
  {
    file,
    aspectRatio,
    gridPinpoints,
  }: { file: string } & Pick<ProcessorSettings, "gridPinpoints"> & {
      aspectRatio?: AspectRatio | undefined;
    },
): ProcessorSettings {
  const refuse = (what: string): KdError => new KdError("KD_CONFIG", `${file}: ${what}`);
  const parsed = configSchema.safeParse(json);
  if (!parsed.success)
    throw refuse(`not an image processor that can be read; ${z.prettifyError(parsed.error)}; correct it`);
  const type = parsed.data.image_processor_type ?? parsed.data.feature_extractor_type;
  const name = type?.replace(/Fast$/, "");
  const defaults = name === undefined ? {} : DEFAULTS[name];
  if (defaults === undefined)
    throw refuse(
      `expected ${Object.keys(DEFAULTS).join(", ")} or their Fast form, got ${type}; write the pixels yourself`,
    );
  const said = Object.fromEntries(Object.entries(parsed.data).filter(([, value]) => value !== undefined));
  const config = { ...configSchema.parse(defaults), ...said } as z.output<typeof configSchema>;
  const { size, crop_size: cropSize, image_mean: mean, image_std: std } = config;
  const normalizes = config.do_normalize !== false;
  if (normalizes && (mean === undefined || std === undefined))
    throw refuse("expected image_mean and image_std, as the file names no known image_processor_type; add them");
  const filter = RESAMPLE[config.resample ?? 3];
  if (filter === undefined) throw refuse(`expected resample 0 to 5 (Pillow's), got ${config.resample}; correct it`);
  const crop = config.do_center_crop === true ? cropSize : undefined;
  const shortest = typeof size === "object" && "shortest_edge" in size ? size.shortest_edge : undefined;
  const edge = shortest ?? (typeof size === "number" && name !== "SiglipImageProcessor" ? size : undefined);
  const resizes = config.do_resize !== false;
  if ((resizes && size === undefined) || (crop === undefined && (!resizes || edge !== undefined)))
    throw refuse(
      `expected a size, or a crop_size with do_center_crop, that makes all pictures equally large, got size ${JSON.stringify(size)}, crop_size ${JSON.stringify(crop)}, do_resize ${resizes}; correct it`,
    );
  const three = (value: number | number[] = 0): number[] => (typeof value === "number" ? [value, value, value] : value);
  const std3 = normalizes ? three(std) : [1, 1, 1];
  if (std3.some((value) => value === 0)) throw refuse("expected image_std above 0, got 0; correct it");
  const grids = gridPinpoints ?? config.image_grid_pinpoints;
  const tiled = grids !== undefined || name === "LlavaNextImageProcessor";
  const own = config.do_pad === true && name === "LlavaImageProcessor" ? "pad" : tiled ? "anyres" : "square";
  const ratio = aspectRatio ?? config.image_aspect_ratio ?? own;
  if (ratio !== "square" && ratio !== "pad" && ratio !== "anyres")
    throw refuse(`expected image_aspect_ratio square, pad or anyres, got ${ratio}; choose one with aspectRatio`);
  const cropped = crop === undefined ? undefined : squareOf(crop);
  const tile = cropped ?? squareOf(size as NonNullable<typeof size>); // one of them is there, see above
  return {
    aspectRatio: ratio,
    resize: resizes && size !== undefined ? (edge === undefined ? squareOf(size) : { shortestEdge: edge }) : undefined,
    filter,
    crop: cropped,
    rescaleFactor: config.do_rescale === false ? 1 : (config.rescale_factor ?? 1 / 255),
    mean: normalizes ? three(mean) : [0, 0, 0],
    std: std3,
    background: ratio === "pad" ? three(mean).map((value) => Math.trunc(value * 255)) : undefined,
    gridPinpoints:
      ratio === "anyres" ? (grids ?? GRIDS.map(([h, w]) => [h * tile.height, w * tile.width] as const)) : undefined,
  };
}
