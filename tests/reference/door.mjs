// The executable `serve` of tests/fakes: one line of JSON out for what a person does, one line in for what came of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export async function open(platform) {
    const child = spawn(process.argv[2], [platform], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => {
        const { value, done } = await lines.next();
        assert(!done, 'the server ended');
        return JSON.parse(value);
    };
    const settings = await line();
    let last = Promise.resolve();
    const act = (what, more = {}) => {
        const answer = last.then(async () => {
            child.stdin.write(`${JSON.stringify({ do: what, ...more })}\n`);
            const answer = await line();
            if (answer?.error) throw new Error(`${what}: ${answer.error}`);
            return answer;
        });
        last = answer.catch(() => {});
        return answer;
    };
    const close = async () => {
        child.stdin.end();
        const [code] = await once(child, 'exit');
        assert.equal(code, 0);
    };
    return { settings, act, close };
}

export async function until(what, ready, patience = 20_000) {
    const end = Date.now() + patience;
    for (;;) {
        const found = await ready();
        if (found) return found;
        assert(Date.now() < end, `waited for ${what}`);
        await new Promise((resume) => setTimeout(resume, 20));
    }
}

// Says what the client and the server agree on, as it goes.
export const told = (platform) => (what) => console.log(`${platform}: ok ${what}`);
