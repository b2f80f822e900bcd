"""Sphinx's settings for the course's pages. `racecourse site` copies this beside what it stages, and calls Sphinx."""

import re

from racecourse import __version__

project = "Racecourse"
author = "The Racecourse maintainers"
copyright = "The Racecourse maintainers. Texts: CC BY 4.0. Code: MIT"
release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.githubpages", "racecourse.learn.mathml"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r".*")]  # types in signatures belong to torch and others, whose pages are elsewhere

# Outputs are the committed ones: nothing runs here. No formula, widget or font asks another site for anything.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
html_math_renderer = "mathml"
myst_update_mathjax = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "Racecourse"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_sidebars = {"**": ["home-link.html", "search-button-field.html", "sbt-sidebar-nav.html"]}
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_show_sphinx = False
html_show_search_summary = False  # a page opened from a disk may not fetch the texts of others
html_theme_options = {
    "repository_url": "https://github.com/racecourse-course/racecourse",
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "search_bar_text": "Search the course",
}


def link_full_names_only(app, doctree):
    """Let a type in a signature link to the class of that full name, never to whatever else ends in the same word."""
    from sphinx.addnodes import pending_xref

    for reference in doctree.findall(pending_xref):
        if reference.get("refspecific") is False:
            del reference["refspecific"]


def mend_markup(app, pagename, templatename, context, doctree):
    """Two things that screen readers stumble over: lists of parameters without terms, and headers without words."""
    body = re.sub(r"<dl>\n((?:<dd>.*?</dd>\n)+)</dl>", parameter_lines, context.get("body", ""))
    context["body"] = body.replace('<th class="head"><p></p></th>', "<td></td>")


def parameter_lines(match):
    return match[1].replace("<dd>", '<div class="sig-line">').replace("</dd>", "</div>")


def setup(app):
    app.connect("html-page-context", mend_markup)
    app.connect("doctree-read", link_full_names_only)
