// The front end of every question: a form with native controls. It knows no answers; the kernel judges each choice.

const MS_UNTIL_NOTE = 3000
const BUSY = "The kernel has not answered yet. If it was restarted, run this cell again."
const NOTHING = "Choose an answer first."
const LETTERS = "ABCDEF"

let nForms = 0

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

function render({ model, el }) {
  const group = `racecourse-quiz-${Math.random().toString(36).slice(2)}-${nForms++}`
  const inputs = model.get("options").map(() =>
    element("input", { type: model.get("several") ? "checkbox" : "radio", name: group }))
  const labels = model.get("options").map((text, i) =>
    element("label", { className: "racecourse-option" }, inputs[i], element("span", { textContent: text })))
  const fields = element(
    "fieldset", {},
    element("legend", { textContent: model.get("text") }),
    element("p", { textContent: model.get("how_many") }),
    ...labels,
  )
  const words = element("p", { className: "racecourse-words" })
  words.setAttribute("aria-live", "polite")
  const check = element("button", { type: "submit", textContent: "Check" })
  const form = element("form", { className: "racecourse" }, fields, check, words)
  form.dataset.lmSuppressShortcuts = "true" // JupyterLab's keys: an arrow would leave the cell, `b` add one
  form.addEventListener("keydown", (event) => event.stopPropagation())
  el.append(form)

  let waitingFor = 0 // the number of the attempt that is not judged yet; 0 for none
  let noteTimer = 0

  function say(text) {
    words.textContent = text
    form.dataset.said = text.startsWith("Right.") ? "right" : text.startsWith("Not yet.") ? "wrong" : ""
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault()
    const chosen = [...inputs.keys()].filter((i) => inputs[i].checked).map((i) => LETTERS[i])
    if (!chosen.length) {
      say(NOTHING)
      return
    }
    say("") // so that the same words are read out again
    waitingFor = Math.max(model.get("answered"), model.get("asked").number ?? 0) + 1
    model.set("asked", { number: waitingFor, chosen })
    model.save_changes()
    clearTimeout(noteTimer)
    noteTimer = setTimeout(() => say(BUSY), MS_UNTIL_NOTE)
  })

  const onAnswer = () => {
    if (model.get("answered") !== waitingFor) return // to another view of this form
    clearTimeout(noteTimer)
    say(model.get("words"))
  }
  model.on("change:answered", onAnswer)
  return () => {
    clearTimeout(noteTimer)
    model.off("change:answered", onAnswer)
  }
}

export default { render }
