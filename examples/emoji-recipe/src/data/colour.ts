/** The colours a question may be about, spelled as the answers are. */
export const COLOURS: readonly string[] = [
  "black",
  "gray",
  "red",
  "orange",
  "yellow",
  "green",
  "blue",
  "purple",
  "pink",
  "brown",
];

const OPAQUE = 128;
const LEADING_SHARE = 0.5;
const SECOND_TO_FIRST = 0.6;

/**
 * The plain name of a drawing's main colour, or nothing where there is none to ask about: the leading colour must cover
 * half of the opaque pixels, the second at most 0.6 of that, and white is left out because the background is white.
 */
export function dominantColour(rgba: Uint8Array): string | undefined {
  const counts = new Map<string, number>();
  let opaque = 0;
  for (let p = 0; p < rgba.length; p += 4) {
    if ((rgba[p + 3] as number) < OPAQUE) continue;
    const name = pixelColour(rgba[p] as number, rgba[p + 1] as number, rgba[p + 2] as number);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    opaque++;
  }
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1]);
  if (!first || first[0] === "white" || first[1] < LEADING_SHARE * opaque) return undefined;
  return (second?.[1] ?? 0) <= SECOND_TO_FIRST * first[1] ? first[0] : undefined;
}

/** The name of one opaque pixel's colour (0…255 each), one of `COLOURS` or white. */
export function pixelColour(red: number, green: number, blue: number): string {
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  const value = most / 255;
  const saturation = most ? range / most : 0;
  const hue = hueOf(red, green, blue, most, range);
  if (value < 0.22) return "black";
  if (saturation < 0.13 || (saturation < 0.22 && value < 0.45))
    return value > 0.9 ? "white" : value < 0.3 ? "black" : "gray";
  if (saturation < 0.28 && hue > 170 && hue < 260) return value > 0.92 ? "white" : "gray"; // the blue of steel
  if (hue < 14 || hue >= 345) return saturation < 0.5 && value > 0.75 ? "pink" : value < 0.42 ? "brown" : "red";
  if (hue < 39) return value < 0.68 || (saturation < 0.5 && value < 0.86) ? "brown" : "orange";
  if (hue < 62) return value < 0.5 ? "brown" : saturation < 0.2 ? "white" : "yellow";
  if (hue < 172) return "green";
  if (hue < 256) return "blue";
  return hue < 292 || value < 0.55 ? "purple" : "pink";
}

/** Degrees in [0, 360); 0 for greys. */
function hueOf(red: number, green: number, blue: number, most: number, range: number): number {
  if (range === 0) return 0;
  if (most === red) return ((60 * (green - blue)) / range + 360) % 360;
  if (most === green) return (60 * (blue - red)) / range + 120;
  return (60 * (red - green)) / range + 240;
}
