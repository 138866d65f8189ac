// The only way to stdout and stderr: results go to stdout, everything said about them to stderr, so that output can be piped.

/** Lines that are redrawn at the end of the terminal. */
export interface LiveLines {
  hide(): void;
  show(): void;
}

let live: LiveLines | undefined;

/** From now on other output goes above these lines; with undefined there are none. */
export function keepBelow(lines: LiveLines | undefined): void {
  live = lines;
}

function write(stream: NodeJS.WriteStream, text: string): void {
  live?.hide();
  stream.write(text.endsWith("\n") ? text : `${text}\n`);
  live?.show();
}

/** Writes a result line. */
export function print(text: string): void {
  write(process.stdout, text);
}

/** Writes a line for the person at the terminal. */
export function tell(text: string): void {
  write(process.stderr, text);
}

/** A reader that goes away (`viv list | head -1`) is no failure. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
}
