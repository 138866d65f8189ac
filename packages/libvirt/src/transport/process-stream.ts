// A program's input and output as one stream. What the program says on its way out becomes the reason of the loss.

import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Duplex } from "node:stream";
import { LibvirtConnectionError } from "../errors/connection-error.ts";

const stderrKeptBytes = 4096;

export class ProcessStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #address: string;
  #stderr = "";

  constructor(program: string, args: readonly string[], address: string) {
    super({ allowHalfOpen: false });
    this.#address = address;
    // No shell: the arguments are the program's as they are.
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], shell: false });
    const { stdin, stdout, stderr } = this.#child;
    stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrKeptBytes);
    });
    // A write to a program that has ended; its end says why.
    stdin.on("error", () => {});
    this.#child.on("error", (error) => this.#end(`cannot run ${program}: ${error.message}`, error));
    this.#child.on("close", (code, signal) => {
      if (code === 0) this.push(null);
      else this.#end(this.#stderr.trim() === "" ? `${program} ended with ${code ?? signal}` : this.#stderr.trim());
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#child.stdin.destroyed || this.#child.stdin.write(chunk)) callback();
    else this.#child.stdin.once("drain", () => callback());
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    this.#child.kill();
    callback(error);
  }

  #end(reason: string, cause?: unknown): void {
    this.destroy(
      new LibvirtConnectionError(
        `Cannot connect to libvirt at ${this.#address}: ${reason}`,
        cause === undefined ? undefined : { cause },
      ),
    );
  }
}
