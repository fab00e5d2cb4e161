/** The least that a bot can do: asks for updates and answers each with a word, storing nothing. What the machine and the fake need for that is the measure of the rest. */
const [root, token] = process.argv.slice(2)
const call = async (method, params) => {
  const response = await fetch(`${root}bot${token}/${method}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params) })
  return (await response.json()).result
}
let offset = 0
for (;;) {
  const updates = await call("getUpdates", { offset, timeout: 25 })
  for (const { message, update_id } of updates) {
    offset = update_id + 1
    void call("sendMessage", { chat_id: message.chat.id, text: "done" })
  }
}
