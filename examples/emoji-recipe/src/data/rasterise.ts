import { createRequire } from "node:module";
import { KdError } from "@kd/contract";
import sharp from "sharp";
import { z } from "zod";

const require = createRequire(import.meta.url);
const size = { width: z.number().optional(), height: z.number().optional() };
const iconSchema = z.object({ body: z.string(), left: z.number().default(0), top: z.number().default(0), ...size });
const setSchema = z.object({ icons: z.record(z.string(), iconSchema), ...size });

/** Side of every picture, in pixels. */
export const PIXELS = 48;

/** Turns a vendor's icon into 48×48 straight RGBA, fitted whole and centred, transparent where nothing is drawn. */
export function rasteriser(vendor: string): (icon: string) => Promise<Uint8Array> {
  const set = setSchema.parse(require(`@iconify-json/${vendor}/icons.json`));
  return async (name) => {
    const icon = set.icons[name];
    if (!icon) throw new KdError("KD_DATA", `@iconify-json/${vendor}: expected icon "${name}", got none; reinstall it`);
    const { body, left, top, width = set.width ?? 16, height = set.height ?? 16 } = icon;
    const namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
    const box = `width="${PIXELS}" height="${PIXELS}" viewBox="${left} ${top} ${width} ${height}"`;
    const image = sharp(Buffer.from(`<svg ${namespaces} ${box}>${body}</svg>`))
      .toColourspace("srgb")
      .ensureAlpha();
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    if (info.width !== PIXELS || info.height !== PIXELS || info.channels !== 4)
      throw new KdError(
        "KD_DATA",
        `${vendor}/${name}: expected ${PIXELS}×${PIXELS} RGBA, got ${info.width}×${info.height}×${info.channels}; check sharp's version`,
      );
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
}
