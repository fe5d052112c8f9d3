"""What is said of each error, in the languages there are. ``{name}`` is the parameter, ``{resource}`` the resource."""

from __future__ import annotations

from flask import request

DEFAULT = "en-US"

ENGLISH = {
    "FPWSE0001E": "Not Found - Targeted resource '{resource}' does not exist. Check the '{name}' parameter.",
    "FPWSE0002E": "The resource already exists. Check the '{name}' parameter value.",
    "FPWSE0003E": "Missing {name} credentials. Configure them in the settings of the application.",
    "FPWSE0004E": "The request body is not valid JSON.",
    "FPWSE0005E": "Invalid value was provided. Check the '{name}' parameter value.",
    "FPWSE0007E": "The query parameter '{name}' holds something unknown.",
    "FPWSE0008E": "The query parameter '{name}' is required.",
    "FPWSE0009E": "The message could not be sent: no device is registered for its target.",
    "FPWSE0010E": "An internal error occurred.",
    "FPWSE0011E": "The subscription already exists. Check the '{name}' parameter value.",
    "FPWSE0012E": "The subscription does not exist. Check the '{name}' parameter value.",
    "FPWSE0013E": "The JSON payload is not valid. Check the '{name}' parameter value.",
    "FPWSE0025E": "The server is busy and cannot answer the request now. Submit it again.",
    "FPWSE1007E": "The push service is disabled for this application.",
    "FPWSE1079E": "The 'offset' parameter must not be negative.",
    "FPWSE1080E": "The 'size' parameter must be greater than zero.",
    "unauthorized": "Unauthorized - The caller is not authenticated.",
    "invalid_token": "Unauthorized - The credential is invalid or has expired.",
    "insufficient_scope": "Forbidden - The caller is not authorized to make this request.",
    "method": "Method Not Allowed - Check the method of the request.",
    "content-type": "Unsupported Content type - The content type specified in Content-Type header is not supported.",
    "accept": "Unsupported Accept type - The content type specified in Accept header is not application/json.",
    "too-large": "The request body is too large.",
}

GERMAN = {
    "FPWSE0001E": "Nicht gefunden - Die Ressource '{resource}' ist nicht vorhanden. Prüfen Sie den Parameter '{name}'.",
    "FPWSE0002E": "Die Ressource ist bereits vorhanden. Prüfen Sie den Wert des Parameters '{name}'.",
    "FPWSE0003E": "Die Berechtigungsnachweise für {name} fehlen. Geben Sie sie in den Einstellungen der Anwendung an.",
    "FPWSE0004E": "Der Hauptteil der Anforderung ist kein gültiges JSON.",
    "FPWSE0005E": "Es wurde ein ungültiger Wert angegeben. Prüfen Sie den Wert des Parameters '{name}'.",
    "FPWSE0007E": "Der Abfrageparameter '{name}' enthält Unbekanntes.",
    "FPWSE0008E": "Der Abfrageparameter '{name}' ist erforderlich.",
    "FPWSE0009E": "Die Nachricht konnte nicht gesendet werden: Für ihr Ziel ist kein Gerät registriert.",
    "FPWSE0010E": "Ein interner Fehler ist aufgetreten.",
    "FPWSE0011E": "Das Abonnement ist bereits vorhanden. Prüfen Sie den Wert des Parameters '{name}'.",
    "FPWSE0012E": "Das Abonnement ist nicht vorhanden. Prüfen Sie den Wert des Parameters '{name}'.",
    "FPWSE0013E": "Die JSON-Nutzdaten sind nicht gültig. Prüfen Sie den Wert des Parameters '{name}'.",
    "FPWSE0025E": "Der Server ist ausgelastet und kann jetzt nicht antworten. Senden Sie die Anforderung erneut.",
    "FPWSE1007E": "Der Push-Service ist für diese Anwendung inaktiviert.",
    "FPWSE1079E": "Der Parameter 'offset' darf nicht negativ sein.",
    "FPWSE1080E": "Der Parameter 'size' muss größer als null sein.",
    "unauthorized": "Nicht berechtigt - Der Aufrufer ist nicht authentifiziert.",
    "invalid_token": "Nicht berechtigt - Der Berechtigungsnachweis ist ungültig oder abgelaufen.",
    "insufficient_scope": "Unzulässig - Der Aufrufer darf diese Anforderung nicht stellen.",
    "method": "Methode nicht zulässig - Prüfen Sie die Methode der Anforderung.",
    "content-type": "Nicht unterstützter Inhaltstyp - Der Inhaltstyp im Header Content-Type wird nicht unterstützt.",
    "accept": "Nicht unterstützter Typ - Der Inhaltstyp im Header Accept ist nicht application/json.",
    "too-large": "Der Hauptteil der Anforderung ist zu groß.",
}

FRENCH = {
    "FPWSE0001E": "Introuvable - La ressource '{resource}' n'existe pas. Vérifiez le paramètre '{name}'.",
    "FPWSE0002E": "La ressource existe déjà. Vérifiez la valeur du paramètre '{name}'.",
    "FPWSE0003E": "Les données d'identification {name} manquent. Indiquez-les dans les paramètres de l'application.",
    "FPWSE0004E": "Le corps de la demande n'est pas du JSON valide.",
    "FPWSE0005E": "Une valeur non valide a été indiquée. Vérifiez la valeur du paramètre '{name}'.",
    "FPWSE0007E": "Le paramètre de requête '{name}' contient un élément inconnu.",
    "FPWSE0008E": "Le paramètre de requête '{name}' est obligatoire.",
    "FPWSE0009E": "Le message n'a pas pu être envoyé : aucun appareil n'est enregistré pour sa cible.",
    "FPWSE0010E": "Une erreur interne s'est produite.",
    "FPWSE0011E": "L'abonnement existe déjà. Vérifiez la valeur du paramètre '{name}'.",
    "FPWSE0012E": "L'abonnement n'existe pas. Vérifiez la valeur du paramètre '{name}'.",
    "FPWSE0013E": "Le contenu JSON n'est pas valide. Vérifiez la valeur du paramètre '{name}'.",
    "FPWSE0025E": "Le serveur est occupé et ne peut pas répondre à présent. Soumettez à nouveau la demande.",
    "FPWSE1007E": "Le service push est désactivé pour cette application.",
    "FPWSE1079E": "Le paramètre 'offset' ne doit pas être négatif.",
    "FPWSE1080E": "Le paramètre 'size' doit être supérieur à zéro.",
    "unauthorized": "Non autorisé - L'appelant n'est pas authentifié.",
    "invalid_token": "Non autorisé - Les données d'identification ne sont pas valides ou ont expiré.",
    "insufficient_scope": "Interdit - L'appelant n'est pas autorisé à effectuer cette demande.",
    "method": "Méthode non autorisée - Vérifiez la méthode de la demande.",
    "content-type": "Type de contenu non pris en charge - Celui de l'en-tête Content-Type n'est pas pris en charge.",
    "accept": "Type non pris en charge - Le type de contenu de l'en-tête Accept n'est pas application/json.",
    "too-large": "Le corps de la demande est trop volumineux.",
}

SPANISH = {
    "FPWSE0001E": "No encontrado - El recurso '{resource}' no existe. Compruebe el parámetro '{name}'.",
    "FPWSE0002E": "El recurso ya existe. Compruebe el valor del parámetro '{name}'.",
    "FPWSE0003E": "Faltan las credenciales de {name}. Configúrelas en los valores de la aplicación.",
    "FPWSE0004E": "El cuerpo de la solicitud no es JSON válido.",
    "FPWSE0005E": "Se ha proporcionado un valor no válido. Compruebe el valor del parámetro '{name}'.",
    "FPWSE0007E": "El parámetro de consulta '{name}' contiene algo desconocido.",
    "FPWSE0008E": "El parámetro de consulta '{name}' es obligatorio.",
    "FPWSE0009E": "No se ha podido enviar el mensaje: no hay ningún dispositivo registrado para su destino.",
    "FPWSE0010E": "Se ha producido un error interno.",
    "FPWSE0011E": "La suscripción ya existe. Compruebe el valor del parámetro '{name}'.",
    "FPWSE0012E": "La suscripción no existe. Compruebe el valor del parámetro '{name}'.",
    "FPWSE0013E": "El contenido JSON no es válido. Compruebe el valor del parámetro '{name}'.",
    "FPWSE0025E": "El servidor está ocupado y no puede responder ahora. Vuelva a enviar la solicitud.",
    "FPWSE1007E": "El servicio push está inhabilitado para esta aplicación.",
    "FPWSE1079E": "El parámetro 'offset' no debe ser negativo.",
    "FPWSE1080E": "El parámetro 'size' debe ser mayor que cero.",
    "unauthorized": "No autorizado - El interlocutor no está autenticado.",
    "invalid_token": "No autorizado - La credencial no es válida o ha caducado.",
    "insufficient_scope": "Prohibido - El interlocutor no tiene autorización para realizar esta solicitud.",
    "method": "Método no permitido - Compruebe el método de la solicitud.",
    "content-type": "Tipo de contenido no soportado - No se admite el tipo de contenido de la cabecera Content-Type.",
    "accept": "Tipo no soportado - El tipo de contenido de la cabecera Accept no es application/json.",
    "too-large": "El cuerpo de la solicitud es demasiado grande.",
}

LANGUAGES = {DEFAULT: ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}


def language() -> str:
    """The language this caller likes best of those there are (``Accept-Language``)."""
    return request.accept_languages.best_match(LANGUAGES, DEFAULT) if request.accept_languages else DEFAULT


def said(code: str, name: str = "", resource: str = "") -> str:
    """What is said to this caller."""
    return LANGUAGES[language()][code].format(name=name, resource=resource)
