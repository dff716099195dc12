'''What changes in existing projects, release by release: one module `vX_Y_Z.py` for each release that needs it.

A module has a function `before(update)`, a function `after(update)`, or both. An example, `v0_3_0.py`:

    """0.3.0: the question `pool` is `pool_profile` now, `api/ops.py` is `api/health.py`."""

    from hooks.answers import rename_question
    from hooks.files import move
    from hooks.update import Update


    def before(update: Update) -> None:
        rename_question(update, "pool", "pool_profile")


    def after(update: Update) -> None:
        move(update, "src/app/api/ops.py", "src/app/api/health.py")

`before` runs ahead of Copier's own work and may only edit answers (`hooks/answers.py`). `after` runs behind it and may
only use the steps on files (`hooks/files.py`, `hooks/blocks.py`, `hooks/imports.py`, `hooks/compose.py`). Paths are
those in the project, with `/`.

The hooks that run are always those of the newest version. So a module stays as it is while later releases come; only
`move_block` looks for its target in the new version, and must name the new path when a later release moves that target.

copier.yml then has, for each module, this entry:

    _migrations:
      - version: 0.3.0
        command:
          - "{{ _copier_python }}"
          - "{{ _copier_conf.src_path }}/hooks/migrate.py"
          - "{{ _copier_conf.answers_file }}"
        when: "{{ true }}"
'''
