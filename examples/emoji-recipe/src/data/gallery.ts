import { KdError } from "@kd/contract";
import { dominantColour } from "./colour.ts";
import { type Concept, concepts, isCore } from "./concepts.ts";
import { buildLexicon, type Lexicon } from "./lexicon.ts";
import { type Picture, renderPictures } from "./pictures.ts";
import { TRAIN_VENDORS } from "./vendors.ts";

/** What a picture may be used for: training, or one part of the benchmark. */
export type Cell = "train" | "val_concept" | "test_vendor" | "test_vendor_2" | "unseen_concept";

/** A picture with its place in the benchmark (none: not used at all) and its main colour, where it has one. */
export interface GalleryPicture extends Picture {
  readonly cell: Cell | undefined;
  readonly colour: string | undefined;
}

/** All pictures by id, and what may be said of the core train concepts. */
export interface Gallery {
  readonly lexicon: Lexicon;
  readonly pictures: ReadonlyMap<string, GalleryPicture>;
}

/** Draws or loads every vendor's picture of every concept. The first time takes about 10 s, then 0.5 s. */
export async function openGallery({
  cacheFolder,
  onProgress,
}: {
  /** Default `.cache/emoji` in the repository. */
  cacheFolder?: string;
  /** Called after each picture that had to be drawn. */
  onProgress?: (done: number, total: number) => void;
} = {}): Promise<Gallery> {
  const all = concepts();
  const options = { ...(cacheFolder && { cacheFolder }), ...(onProgress && { onProgress }) };
  const pictures = await renderPictures({ concepts: all, ...options });
  return {
    lexicon: buildLexicon(all),
    pictures: new Map(
      pictures.map((picture) => [
        picture.id,
        { ...picture, cell: cellOf(picture), colour: dominantColour(picture.rgba) },
      ]),
    ),
  };
}

/** The pictures of a cell, of the core pool alone unless `pool` is "full". */
export function picturesIn(gallery: Gallery, cell: Cell, pool: "core" | "full" = "core"): GalleryPicture[] {
  return [...gallery.pictures.values()].filter((p) => p.cell === cell && (pool === "full" || isCore(p.concept)));
}

/** The picture of an id. Throws `KD_DATA` when there is none. */
export function pictureOf(gallery: Gallery, id: string): GalleryPicture {
  const picture = gallery.pictures.get(id);
  if (!picture) throw new KdError("KD_DATA", `picture "${id}": expected vendor/hex of a drawing, got none; check it`);
  return picture;
}

/** Train vendors' train concepts train; the two test vendors are tested on known concepts, any but the share-alike one on unseen ones. */
function cellOf({ vendor, concept }: { vendor: string; concept: Concept }): Cell | undefined {
  if (vendor === "emojione-v1") return concept.split === "train" ? "test_vendor_2" : undefined;
  if (concept.split === "test") return "unseen_concept";
  if (vendor === "fluent-emoji-flat") return concept.split === "train" ? "test_vendor" : undefined;
  if (!TRAIN_VENDORS.includes(vendor)) return undefined;
  return concept.split === "train" ? "train" : "val_concept";
}
