/** How LLaVA's records write an image. */
export const TAG = "<image>";

/** A stretch of a rendered conversation; `null` in the place of text is an image. */
export interface RenderedPart {
  readonly text: string | null;
  readonly supervised: boolean;
}

/** How many images a text asks for. */
export const tagsIn = (text: string): number => text.split(TAG).length - 1;

/** TinyLLaVA's rule: images go in front, and only a question that has one is trimmed. */
export const withoutTags = (question: string): string =>
  tagsIn(question) === 0 ? question : question.replaceAll(TAG, "").trim();

/** Unsupervised text, cut at its images. */
export const promptParts = (text: string, tag: string): RenderedPart[] =>
  text
    .split(tag)
    .flatMap((piece, i) => [
      ...(i > 0 ? [{ text: null, supervised: false }] : []),
      ...(piece === "" ? [] : [{ text: piece, supervised: false }]),
    ]);
