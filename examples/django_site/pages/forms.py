from django import forms

from .models import Document, Note


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["text"]


class DocumentForm(forms.ModelForm):
    class Meta:
        model = Document
        fields = ["title", "file"]
