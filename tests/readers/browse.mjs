// Opens a page in a headless Chromium and tells what came of it: `node browse.mjs PORT URL PICTURE WIDTH HEIGHT DONE`.
//
// PORT is where the browser's DevTools answer. The page is ready once the expression DONE is true in it. Printed, as JSON: the
// page's text, complaints on its console, requests that failed, and whether it got ready.
// Chromium's own --screenshot does not wait for web workers, which decode a GeoTIFF.
import {writeFileSync} from "node:fs";

const [port, url, picture, width, height, done] = process.argv.slice(2);
const patience = 30_000;

const opened = await fetch(`http://127.0.0.1:${port}/json/new?about:blank`, {method: "PUT"});
const socket = new WebSocket((await opened.json()).webSocketDebuggerUrl);
await new Promise((resolve) => socket.addEventListener("open", resolve));

const waiting = new Map();
const complaints = [];
const failed = [];
const asked = [];
let last = 0;

function send(method, params = {}) {
    socket.send(JSON.stringify({id: ++last, method, params}));
    return new Promise((resolve) => waiting.set(last, resolve));
}

socket.addEventListener("message", ({data}) => {
    const {id, method, params, result} = JSON.parse(data);
    if (id) waiting.get(id)(result);
    if (method === "Runtime.exceptionThrown") {
        complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    }
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
        complaints.push(params.args.map((each) => each.value ?? each.description).join(" "));
    }
    if (method === "Network.responseReceived") {
        asked.push(params.response.url);
        if (params.response.status >= 400) failed.push(`${params.response.status} ${params.response.url}`);
    }
});

await send("Runtime.enable");
await send("Network.enable");
await send("Emulation.setDeviceMetricsOverride", {
    width: Number(width), height: Number(height), deviceScaleFactor: 1, mobile: false,
});
await send("Page.navigate", {url});

async function value(expression) {
    const {result} = await send("Runtime.evaluate", {expression, awaitPromise: true, returnByValue: true});
    return result?.value;
}

const deadline = Date.now() + patience;
let ready = false;
while (!ready && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    ready = Boolean(await value(done));
}
const text = await value("document.body.innerText");
const {data} = await send("Page.captureScreenshot", {format: "png"});
writeFileSync(picture, Buffer.from(data, "base64"));
console.log(JSON.stringify({ready, text, complaints, failed, asked}));
socket.close();
